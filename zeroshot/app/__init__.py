"""The page of ``zeroshot app``: pictures restored in the browser, by a server on this machine alone.

``server`` answers the browser, behind ``guard``; ``workbench`` holds the pictures and the queue of runs; ``orders``
turns what was filled in into what :func:`zeroshot.solve` takes, and into a command and a line of Python; ``engine``
is the process that looks at pictures and restores them, and ``worker`` the thread that speaks to it. The server
itself needs no PyTorch. ``page/`` is what the browser is given: plain HTML, CSS and JavaScript, all of it from here.
"""
