"""The log: structured lines in categories, to standard error or to files that rotate."""
