"""Answering requests with a model: formats, signature checks, the service, captured predictions."""
