"""Every colour of the project in one place: Okabe and Ito's for what is drawn over an image, quiet greys
around it.

Shape and number carry the meaning as well as colour does, and no pair is red against green.
"""

# Okabe and Ito, "Color Universal Design", 2008; the last two are the viewer's
COLOURS = {
    "box": "#F0E442",  # yellow
    "points": "#E69F00",  # orange
    "mask": "#56B4E9",  # sky blue
    "truth": "#CC79A7",  # reddish purple
    "second": "#009E73",  # bluish green: a second model's answer, dotted
    "halo": "#0B0D10",
    "digit": "#0B0D10",
    "ground": "#14171B",
    "words": "#C9CED6",
}
