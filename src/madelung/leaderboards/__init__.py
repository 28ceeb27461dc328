"""Leaderboards: official folds, and submissions."""
