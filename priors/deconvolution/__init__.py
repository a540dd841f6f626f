"""The classic ways to undo a blur by a formula."""
