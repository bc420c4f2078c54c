"""What `import lineal` gives."""
