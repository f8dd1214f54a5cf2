"""The comparison page: several models asked about one image, side by side."""
