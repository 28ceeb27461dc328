"""What knows no crystal: errors, units, figures, files, native modules."""
