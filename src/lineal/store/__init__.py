"""Bytes: content-defined chunks in packs, trees, commits and refs. Write-once, named by hash; writers never lock it."""
