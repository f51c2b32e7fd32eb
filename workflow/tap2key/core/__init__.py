"""What every room uses: files that appear whole, errors, provenance, tables, progress."""
