"""Two pictures that look unlike, in words: described anew, the second one with what acts otherwise.

Of an arm that throws or a hand over a chess board a detector says the same before and after. That the look has become
another one is seen all the same, and has to be said if a judge of words is to know.
"""

from __future__ import annotations

from dataclasses import replace

from lgvsc.semantics.backends.compact.detector import Box
from lgvsc.semantics.backends.compact.regions import name_size
from lgvsc.semantics.backends.compact.things import Facts
from lgvsc.semantics.backends.compact.tracks import colour_inside, place_of
from lgvsc.semantics.backends.compact.words import Description, Thing

OTHERWISE = "in another pose"


def described_anew(a: Facts, b: Facts, least_alike: Box) -> tuple[Description, Description]:
    """Both descriptions, told apart in every part: what has the same name in both pictures acts otherwise.

    Args:
        a, b: The pictures.
        least_alike: Where they look least alike: something acts there if nothing has a name in either.
    """
    first, second = a.alone, b.alone
    if not (first.things or second.things):
        top, left, bottom, right = least_alike
        size, colour = name_size((bottom - top) * (right - left)), colour_inside(a.look, least_alike)
        acting = Thing(kind="object", size=size, colour=colour, place=place_of(least_alike))
        return replace(first, things=(acting,)), replace(second, things=(replace(acting, state=OTHERWISE),))
    known = {thing.kind for thing in first.things}
    things = tuple(replace(one, state=OTHERWISE) if one.kind in known else one for one in second.things)
    return first, replace(second, things=things)
