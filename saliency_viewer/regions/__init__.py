"""Drawing: outlines and strokes to masks, and the history that undoes them."""
