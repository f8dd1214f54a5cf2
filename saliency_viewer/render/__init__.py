"""Maps to colours to overlay pixels, contours and figures: the same on screen and in files."""
