"""The page of a result: drawings in SVG, templates of its sections, and the columns that its script plays."""
