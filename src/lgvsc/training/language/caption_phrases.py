"""Made-up sentences about what videos show: who, what they do, with what, where. For spelling, not for truth."""

from __future__ import annotations

import random


def _listed(text: str) -> list[str]:
    return [" ".join(item.split()) for item in text.split(",")]


ADULTS = _listed("""
    man, woman, person, young man, young woman, elderly man, elderly woman, bearded man, blonde woman, worker,
    chef, cook, farmer, teacher, doctor, nurse, police officer, soldier, firefighter, musician, guitarist,
    drummer, singer, dancer, painter, presenter, reporter, news anchor, politician, businessman, speaker,
    player, tennis player, football player, basketball player, goalkeeper, runner, cyclist, swimmer, surfer,
    skier, snowboarder, skateboarder, climber, hiker, gymnast, boxer, golfer, rider, driver, pilot, sailor,
    fisherman, mechanic, carpenter, barista, waiter, bride, groom, mother, father, couple, tourist,
    photographer, student
""")
CHILDREN = _listed("""
    child, boy, girl, toddler, baby, little boy, little girl, teenager
""")
ANIMALS = _listed("""
    dog, cat, puppy, kitten, horse, cow, sheep, goat, pig, bird, duck, swan, chicken, eagle, owl, parrot, fish,
    shark, turtle, whale, dolphin, elephant, lion, tiger, bear, panda, monkey, zebra, giraffe, deer, fox, wolf,
    rabbit, squirrel, bee, butterfly, spider, snake, frog, rhino
""")
VEHICLES = _listed("""
    car, red car, white van, bus, truck, pickup truck, off-road car, sports car, racing car, motorcycle,
    bicycle, scooter, train, tram, boat, sailing boat, ship, ferry, plane, helicopter, drone, tractor,
    convertible, police car, fire engine, balloon, rocket
""")
CLOTHES = _listed("""
    dark suit, white shirt, black jacket, blue jacket, red dress, beige dress, grey sweater, hooded sweater,
    checked shirt, striped shirt, black hat, straw hat, helmet, yellow jersey, white coat, green apron, blue
    jeans, sunglasses, scarf, uniform, pink top, vest
""")
THINGS = _listed("""
    ball, phone, laptop, camera, microphone, guitar, piano, violin, book, newspaper, cup of coffee, glass of
    wine, bottle, knife, spoon, pan, bowl, plate, cake, pizza, sandwich, apple, tomato, bread, dough, umbrella,
    bag, suitcase, box, chair, flag, flower, rope, hammer, brush, toy, kite, frisbee, stick, racket, bat, hoop,
    sign, map, pen, sheet of paper, tablet, piece of wood, bunch of flowers, steering wheel
""")
PLACES = _listed("""
    street, city street, busy road, country road, motorway, dirt track, bridge, square, market, park, garden,
    field, meadow, forest, mountain, hill, valley, river, lake, sea, beach, desert, snowy slope, rock, cliff,
    waterfall, island, harbour, airport, station, stadium, pitch, court, gym, pool, kitchen, living room,
    bedroom, bathroom, office, classroom, library, museum, church, restaurant, bar, shop, supermarket, factory,
    workshop, garage, barn, farm, zoo, aquarium, stage, studio, hall, house, balcony, rooftop, courtyard,
    village
""")
POSED = _listed("""
    stands, sits, lies, waits, rests, walks, runs, jumps, dances, sings, talks, speaks, laughs, smiles, sleeps,
    swims, climbs, turns, turns around, looks around, looks up, looks down, looks at the camera, talks to the
    camera, waves, nods, kneels, bends down, works out
""")
DEEDS = _listed("""
    holds, carries, throws, catches, kicks, hits, picks up, puts down, lifts, pushes, pulls, opens, closes,
    cuts, cleans, washes, paints, repairs, builds, plays with, looks at, points at, shows, reads, eats, drinks
    from, pours water into, fills, stirs, turns, shakes, uses
""")
BEASTLY = _listed("""
    runs, walks, jumps, plays, sleeps, eats, drinks, sits, lies, stands, swims, flies, lands, rolls, crawls,
    looks around, turns its head, looks at the camera, chases another one, swims past, shakes its head, grazes
""")
DRIVEN = _listed("""
    drives, drives past, turns, stops, speeds, races, stands, is parked, passes, moves slowly, comes closer,
    drives away, slides, waits
""")
SCENES = _listed("""
    waves roll in, clouds drift past, the sun sets, the sun rises, snow falls, rain falls, smoke rises, a fire
    burns, leaves sway in the wind, traffic flows, lights flicker, water flows, people walk past, a crowd
    watches, the camera moves, steam rises
""")
WHERE = _listed("""
    in, on, at, near, next to, in front of, behind, beside, through, along, across, past, towards, over, under,
    around, between, inside, above
""")
HOW = _listed("""
    slowly, quickly, carefully, happily, quietly, together, again, at night, at sunset, at dawn, in the rain, in
    the snow, in the sun, in the background, in the foreground, in the distance, in slow motion, from above, in
    black and white
""")
LOOKS = _listed("""
    large, small, big, tall, old, new, bright, dark, empty, crowded, green, blue, red, white, black, yellow,
    brown, grey, orange, wooden, snowy, rocky, sandy, sunny, cloudy, wet, dry, quiet, busy, narrow, wide,
    modern, colourful, grassy, dusty, foggy, indoor, outdoor
""")
OPENINGS = _listed("""
    The video shows, The scene shows, This clip shows, The camera follows, The camera pans across, The camera
    zooms in on, A close-up shows, A close-up of, An aerial view of, In this video there is, We see, In the
    background there is
""")
JOINTS = ("and", "while", "as", "and then", "before")
NUMBERS = ("two", "three", "four", "several", "many", "a few", "some", "a group of", "a crowd of")


def sentence(generator: random.Random) -> str:
    """One sentence, sometimes two."""
    text = _one(generator)
    return f"{text} {_one(generator)}" if generator.random() < 0.15 else text


def _one(generator: random.Random) -> str:
    pick, chance = generator.choice, generator.random
    if chance() < 0.15:
        opening = pick(OPENINGS)
        text = f"{opening} {_a(_subject(generator)[0])} {_where(generator)}"
    elif chance() < 0.1:
        text = f"{pick(SCENES)} {_where(generator)}"
    else:
        text = _clause(generator)
        if chance() < 0.35:
            text += f" {pick(JOINTS)} {pick((_clause(generator), pick(SCENES), f'{pick(DEEDS)} {_a(pick(THINGS))}'))}"
        elif chance() < 0.2:
            text += f" {pick(HOW)}"
    return text[:1].upper() + text[1:] + "."


def _clause(generator: random.Random) -> str:
    pick, chance = generator.choice, generator.random
    who, verb = _subject(generator)
    if chance() < 0.2:
        return f"{pick(NUMBERS)} {_plural(who)} {_bare(verb)} {_where(generator)}"
    return f"{_a(who)} {verb} {_where(generator)}"


def _subject(generator: random.Random) -> tuple[str, str]:
    pick, chance = generator.choice, generator.random
    kind = chance()
    if kind < 0.62:
        who = pick(ADULTS if chance() < 0.8 else CHILDREN)
        if chance() < 0.25:
            who += f" in {_a(pick(CLOTHES))}" if chance() < 0.6 else f" with {_a(pick(THINGS))}"
        verb = pick(POSED) if chance() < 0.5 else f"{pick(DEEDS)} {_a(pick(THINGS))}"
        return who, verb
    if kind < 0.84:
        who, verb = pick(ANIMALS), pick(BEASTLY)
    else:
        who, verb = pick(VEHICLES), pick(DRIVEN)
    return (f"{pick(LOOKS)} {who}" if chance() < 0.4 else who), verb


def _where(generator: random.Random) -> str:
    pick, chance = generator.choice, generator.random
    place = f"{pick(LOOKS)} {pick(PLACES)}" if chance() < 0.4 else pick(PLACES)
    article = pick(("the", "a", "a"))
    return f"{pick(WHERE)} {_a(place) if article == 'a' else f'the {place}'}"


def _a(noun: str) -> str:
    if noun in {"blue jeans", "sunglasses"}:
        return noun
    return f"an {noun}" if noun[0] in "aeiou" and not noun.startswith("uni") else f"a {noun}"


def _plural(noun: str) -> str:
    head, sep, tail = noun.partition(" in ") if " in " in noun else noun.partition(" with ")
    special = {
        "man": "men",
        "woman": "women",
        "person": "people",
        "child": "children",
        "fish": "fish",
        "sheep": "sheep",
    }
    *first, last = head.split(" ")
    last = special.get(last) or (
        last + "es" if last[-1] in "sxh" else last[:-1] + "ies" if last.endswith("by") else last + "s"
    )
    return " ".join((*first, last)) + sep + tail


def _bare(verb: str) -> str:
    """Third person plural of a verb, its first word changed: runs away, run away."""
    first, *rest = verb.split(" ")
    special = {
        "is": "are",
        "watches": "watch",
        "catches": "catch",
        "washes": "wash",
        "pushes": "push",
        "passes": "pass",
    }
    first = special.get(first) or (first[:-3] + "y" if first in {"flies", "carries"} else first[:-1])
    return " ".join((first, *rest))
