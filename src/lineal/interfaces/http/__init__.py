"""The JSON API under ``/api/v1``: the Workspace's nouns, for programs and for the pages."""
