"""Which classes of ImageNet the compact classifier has a word for.

Words in order: the first that is likely enough says most. A class may stand under several, from the narrow word to the
wide one.
"""

from __future__ import annotations

PUBLISHED = 1000  # classes of the published network
MOST_ROWS = 10  # classes that are kept of one word: beagle and basset need not be told apart
_ANIMALS = """
shark 2-4; fish 0-6 389-397; parrot 87-90; duck 97 98; goose 99; swan 100; owl 24; eagle 21 22; chicken 7 8
peacock 84; ostrich 9; penguin 145; flamingo 130; heron 131-133; pelican 144; hummingbird 94; toucan 96
bird 7-24 80-100 127-146; frog 30-32; turtle 33-37; chameleon 47; lizard 38-48; crocodile 49 50; snake 52-68
spider 70 72-77; scorpion 71; kangaroo 104; koala 105; jellyfish 107; snail 113; crab 118-121 125; lobster 122-124
whale 147 148; seal 149 150; wolf 269-271; fox 277-280; dog 151-268; cat 281-285; leopard 288-290; lion 291
tiger 292; cheetah 293; lynx 286 287; bear 294-297; meerkat 299; beetle 300-307; bee 309; dragonfly 319 320
butterfly 321-326; insect 300-326; starfish 327; rabbit 330-332; hamster 333 338; squirrel 335; marmot 336
beaver 337; horse 339 603; zebra 340; pig 341-343; hippopotamus 344; buffalo 346 347; cow 345; sheep 348 349
goat 350; antelope 351-353; camel 354; llama 355; otter 360; weasel 356-359; sloth 364; orangutan 365; gorilla 366
chimpanzee 367; ape 365-369; monkey 370-382; lemur 383 384; elephant 101 385 386; panda 387 388; animal 0-397
"""
_VEHICLES = """
sports car 511 817; racing car 573 751; jeep 586 609; pickup truck 717; taxi 468; van 654 656 675 734; limousine 627
fire truck 555; bus 654 779 874; truck 555 569 675 717 803 864 867
car 436 468 479 511 581 609 627 656 661 717 751 817; train 466 547 565 705 820 829; motorcycle 665 670
bicycle 444 671 870 880; tractor 595 730 856 866; tank 847; snowmobile 802; kayak 472 693; sailing boat 780 871 914
ship 403 510 628 833; boat 472 484 554 576 625 724 780 814 871 914; fighter jet 895; airplane 404 895 908
rocket 657 744 812; balloon 417; parachute 701
vehicle 403 404 407 408 436 444 450 466 468 472 479 484 510 511 547 554 555 565 569 573 575 576 581 586 595 603
 609 612 625 627 628 654 656 661 665 670 671 675 690 705 717 724 734 751 757 779 780 802 803 814 817 820 829 833
 847 864 866 867 871 874 880 895 908 914
"""
_SPORTS = """
volleyball 890; basketball 430; football 805; rugby 768; baseball 429 981; tennis 752 852; golf 574
table tennis 722; ice hockey 746; skiing 795; boxing 747; gymnastics 416 602 702; diving 801 983
weightlifting 422 543; billiards 736
"""
_PLACES = """
beach 977 978; rocky coast 976; sea 149 460 976 977 978; cliff 972; lake 975; mountain 970; valley 979; volcano 980
geyser 974; coral reef 108 109 973; bridge 821 839 888; lighthouse 437; castle 483; church 497 406 442 884
mosque 668 832; palace 698; standing stones 649; barn 425; harbour 460 536 718; fountain 562; stage 498 818 819 854
dam 525; shop 415 424 454 467 509 582 788 860 865; library 453 624; restaurant 762; greenhouse 580
"""
_THINGS = """
guitar 402 420 546; piano 579 881; violin 486 889; drum 541 822; saxophone 776; trumpet 513 566 875; accordion 401
microphone 650; cup of coffee 504 505 550 967 968; soup 809 925 926; frying pan 567 909; pot 469 521 544
mixing bowl 659; mortar 666; stove 827; grill 766; dough 961; pizza 963; bread 415 930-932; ice cream 928 929
burger 933; hot dog 934; pasta 940 959; cake 927; chocolate 960; mushroom 947 991-997; vegetables 936-946
fruit 948-957; plate of food 923-926 959 962 964 965; glass of wine 572 907 966; glass of beer 440 441
glass jug 438 647 725 899; cocktail 503 969; food 809 923-969; flower 984-986; corn 987 998
clock 409 530 531 604 826 892; laptop 620 681; computer 508 527 664 782 810; phone 487; sewing machine 786
potter's wheel 739; drill 740; chainsaw 491; camera 732 759; umbrella 879; crib 431 516 520; bed 564; couch 831
swing 843; carousel 476; tent 672; teddy bear 850; suit 457 834 906; white coat 617
"""


def _read(text: str) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}
    for entry in text.replace("\n ", " ").replace("\n", ";").split(";"):
        parts = entry.split()
        words = [part for part in parts if not part[0].isdigit()]
        if not words:
            continue
        numbers: list[int] = []
        for part in parts[len(words) :]:
            first, _, last = part.partition("-")
            numbers += range(int(first), int(last or first) + 1)
        found[" ".join(words)] = tuple(numbers)
    return found


ANIMALS, VEHICLES, SPORTS, PLACES, THINGS = map(_read, (_ANIMALS, _VEHICLES, _SPORTS, _PLACES, _THINGS))
ROLES = {"animals": ANIMALS, "vehicles": VEHICLES, "sports": SPORTS, "places": PLACES, "things": THINGS}
CLASSES = ANIMALS | VEHICLES | SPORTS | PLACES | THINGS  # classes of each word

# Probability from which a word is said; set on clips that the bars leave alone, see the card of the compact captioner.
LEAST = {"animals": 0.4, "vehicles": 0.4, "sports": 0.5, "places": 0.5, "things": 0.5}


def shown(likely: dict[str, float]) -> tuple[str, ...]:
    """Words that may be said: the narrowest that is likely enough, then wider ones of other classes."""
    said: list[str] = []
    for role, words in ROLES.items():
        for word in words:
            if likely[word] >= LEAST[role] and not any(set(CLASSES[one]) & set(CLASSES[word]) for one in said):
                said.append(word)
    return tuple(said)


def _kept() -> tuple[int, ...]:
    """Of classes without a word, which must be able to win, every second; of each word about so many, evenly spread."""
    named = {number for numbers in CLASSES.values() for number in numbers}
    kept = set([number for number in range(PUBLISHED) if number not in named][::2])
    for word in sorted(CLASSES, key=lambda word: len(CLASSES[word])):
        numbers = CLASSES[word]
        more = [number for number in numbers if number not in kept]
        wanted = min(len(more), max(0, MOST_ROWS - (len(numbers) - len(more))))
        kept |= {more[round(k * (len(more) - 1) / max(1, wanted - 1))] for k in range(wanted)}
    return tuple(sorted(kept))


KEPT = _kept()
