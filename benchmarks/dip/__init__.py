"""Deep Image Prior: its recipes beside each other, the papers, other ways to stop, and a plain transcription."""
