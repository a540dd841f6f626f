"""JPEG as it is stored: headers, quantised coefficients, and the traces that it leaves in decoded pixels."""
