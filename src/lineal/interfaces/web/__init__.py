"""The pages of ``lineal ui``: every page is a link, and its JSON is beside it."""
