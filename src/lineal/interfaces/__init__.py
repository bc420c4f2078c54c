"""How people and programs come in. Each knows only `Workspace`, and none knows another."""
