"""One module for each step, named by its revision. A step that was released is never changed."""
