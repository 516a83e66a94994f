"""The parts of a page: drawings, charts and tables as SVG and HTML, and the columns that its script plays."""
