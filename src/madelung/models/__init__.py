"""PotNet, SumNet, their cards, and prediction."""
