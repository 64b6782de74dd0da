"""Who works in the demo company, and what they do for customers and each other. All invented."""

# ruff: noqa: E501 (a story is one line, as it was told)

TEAMS = {
    "Care": ("Europe/Berlin", ("Lea Brandt", "Ana Kovač", "Ben Okafor", "Chris Lindqvist", "Mina Haddad", "Tomás Rey", "Yuki Mori", "Paula Weiß")),
    "Shop Floor": ("Europe/Berlin", ("Jonas Adler", "Sofia Marino", "Emre Yıldız", "Greta Nowak", "Luis Ferreira", "Hanna Vogel", "Oskar Dahl", "Ines Roth")),
    "Shipping": ("America/New_York", ("Max Turner", "Dana Price", "Eve Johnson", "Sam Rivera", "Walter Boone", "Keisha Grant", "Noah Stein", "Ruth Bell")),
    "Repairs": ("America/New_York", ("Olga Petrova", "Henry Cole", "Fatima Zahra", "Will Tran", "Bea Morales", "Carl Jensen", "Joy Adeyemi", "Pete Novak")),
    "Online": ("Asia/Tokyo", ("Aiko Tanaka", "Ken Sato", "Liu Wei", "Priya Nair", "Daniel Kim", "Mei Lin", "Arun Das", "Rosa Silva")),
}  # fmt: skip
"""Each team's zone and people; the first is its lead."""

ADMIN = ("Ada Winter", "Care")

STORIES = (
    ("above-and-beyond", "The airline had lost their luggage the evening before a funeral. {name} stayed after closing, called two other shops and had the right shirts for a family of four ready by half past eight.", "the Ito family"),
    ("above-and-beyond", "A pram broke on the way to the station. {name} took the wheel off a display model, put it on, and carried the pram up the stairs so that they caught the train.", "a young mother"),
    ("above-and-beyond", "The spare part had been out of stock for months. {name} remembered a returned machine in the cellar, took the part out, tested it and sent it the same afternoon.", "Mr Eriksen"),
    ("above-and-beyond", "Snow had closed the road to the depot. {name} met the courier half-way with a sledge so that the medicine cooler still left on time. Nobody had asked for that.", "the clinic in Norrby"),
    ("above-and-beyond", "We did not have what she needed. {name} called the shop down the street, had it put aside, and drew her a map. She came back the next day to buy something else.", "a customer in a hurry"),
    ("positive-energy", "Queue out of the door, the card reader down, everybody grumpy. {name} handed out water, told each one how long it would be, and had the whole line laughing by the end.", None),
    ("positive-energy", "After the third crash of the morning {name} wrote a small weather report into the channel, with sunny intervals. We all worked on with a smile, and the queue was empty by noon.", None),
    ("positive-energy", "Our new colleague had a hard first week. {name} put a different good-morning card on the desk each day and sat beside the first three calls.", None),
    ("positive-energy", "The move to the new store room was everybody's least favourite Saturday until {name} came with a playlist, labels in three colours and cinnamon buns.", None),
    ("courtesy-and-respect", "He shouted for ten minutes. {name} listened, wrote down each point, read them back to him, and then asked which one mattered most. He thanked us by name at the end.", "Mr Albrecht"),
    ("courtesy-and-respect", "Two people behind the counter had already talked over her head. {name} noticed that she reads lips, moved to face her, and went through the whole contract like that.", "Mrs Duarte"),
    ("courtesy-and-respect", "In worn clothes, with muddy shoes, and nobody greeted him. {name} did, offered a chair and the good catalogue. It was the largest order of the month, but that came later.", "a farmer from Velden"),
    ("courtesy-and-respect", "The mistake was ours. {name} said so in the first sentence, without a but, told the customer by when it would be mended, and called an hour before that time.", "the Nguyen bakery"),
    ("courtesy-and-respect", "A regular had forgotten the PIN for the third time and was ashamed. {name} sent the queue to the other till and found a quiet corner and all the time in the world.", "an elderly regular"),
    ("relationships", "{name} recognised the voice from a call in spring, asked how the daughter's exams had gone, and only then opened the ticket. She has asked for nobody else since.", "Mrs Okoye"),
    ("relationships", "Every year the choir orders its folders late. {name} called them in September this time. They had not even noticed that it was time, and sent us tickets.", "the chamber choir"),
    ("relationships", "He comes on Thursdays and never buys much. {name} noticed that he was missing two weeks in a row, and asked at the pharmacy. He is well again, and the card from all of us stands on his shelf.", "Mr Sørensen"),
    ("relationships", "The customer moved abroad and wanted to close the account. {name} found out what can be sent there, wrote it on one page, and now we have a customer in Lisbon.", "the Pinto family"),
    ("team-player", "My child was ill and three deliveries were open. {name} took my route on top of their own, wrote to each customer, and did not even mention it at stand-up.", None),
    ("team-player", "{name} wrote down how the returns scanner really works, with photographs, after the fourth of us had asked. The new people learn it in ten minutes now.", None),
    ("team-player", "I was stuck in a contract question at six in the evening. {name}, from another team, stayed on the line, found the clause, and let me take the thanks.", None),
    ("team-player", "The till froze at noon on the busiest day. {name} came over from the workshop without being called, held the cable with one hand and served with the other.", None),
    ("team-player", "Before holidays {name} went through every open ticket with me, so that no customer had to explain anything twice. I had the calmest week in a year.", None),
    ("team-player", "Our inventory did not add up and nobody wanted to see why. {name} counted the whole aisle again with me after closing, found the box behind the box, and brought tea.", None),
    ("above-and-beyond", "The wedding dress arrived in the wrong length on Friday evening. {name} knew a tailor, drove there, waited, and handed it over at the church door.", "a bride and her very nervous father"),
    ("courtesy-and-respect", "The form asks for things that are nobody's business after a death. {name} filled in what we knew, left out what we could, and needed only one signature from her.", "a widow"),
    ("relationships", "{name} asked the school what they throw away each year, and built the new order around it: fewer boxes, less money for us this time, and a customer for ten years.", "the school in Lindau"),
    ("positive-energy", "{name} answers the hotline with such a smile that a customer asked whether we had won something. We had not, but the whole room sat up straighter.", None),
)  # fmt: skip
"""Guideline, story with its hero's {name}, customer."""

THANKS = (
    "She found our luggage and did not let go until we had it. Thank you!",
    "Finally somebody who listens first. It was solved in one call.",
    "He called back exactly when he had promised. I had forgotten that this exists.",
    "I felt like a person, not like a ticket.",
    "You saved our weekend. Please tell the whole team!",
    "Friendly, quick, and honest about what would not work.",
    "She explained it three times without sighing once.",
    "I came in angry and left with a plan. Well done.",
    "The note you put into the parcel made my mother cry (in a good way).",
    "Best service I have had in years. I am telling everybody.",
    "He noticed a mistake of mine that would have cost me a lot.",
    "Thank you for the patience with an old man and his telephone.",
)

PROMISES = (
    "Send the replacement part and the return label",
    "Call back with the date of delivery",
    "Find out whether the discount applies and write it down",
    "Have the bicycle ready for the tour",
    "Check the invoice with accounting and send the right one",
    "Keep the blue one aside until Saturday",
)


OPENINGS = (
    "A full week, and a kind one. Read these before the first call.",
    "Three things made me smile this week. Here they are.",
    "It was not an easy week. That is why I am so glad about these stories.",
    "",
)

UNHAPPY = "Twice I was told it would be there on Friday. It was not, and I had to ask myself."
