project = "Kettle"
author = "The kettle authors"
release = "1.0"
exclude_patterns = ["_build", ".vagga"]
html_theme = "alabaster"
