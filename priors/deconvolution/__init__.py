"""The classic ways to undo a blur by a formula: the linear one, and the multiplicative one."""
