"""What a region contributes: statistics of a map, with what each number is to be held against."""
