"""One module per page or family of pages; each takes a visit and gives a page."""
