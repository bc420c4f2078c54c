"""Getting a model bundle to run somewhere."""
