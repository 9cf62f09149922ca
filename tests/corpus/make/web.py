"""A news page with the usual boilerplate around its article."""

from html import escape

TITLE = "Old Mill to Become a School of Boat Building"
BYLINE = "By Delphine Arceneaux, Bayou Courier, 27 April 2024"
ARTICLE = [
    "The rice mill at Pointe Verte, empty since 1998, will open again next year as a school of boat building. "
    "The parish council of Sainte Odile voted on Thursday to lease the building to the Cypress Boat Guild for one dollar a year.",
    "The guild was founded in 2011 by Marcel Thibodeaux, whose grandfather built pirogues on the same bank. "
    "It wants to teach twenty students at a time, half of them without fees. \"There are perhaps nine people left who can bend a cypress plank by hand,\" Thibodeaux said. \"In ten years there must be ninety.\"",
    "The repairs will cost about 1.7 million dollars. The state of Louisiana pays 900,000 dollars, the Delta Heritage Fund 500,000, and the guild hopes to collect the rest by Christmas.",
    "Not everybody is happy. Loretta Fontenot, who lives across the road, fears noise and traffic. The council has promised that no saw will run before eight in the morning.",
]

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title} | Bayou Courier</title>
<meta name="description" content="The parish council of Sainte Odile leases the rice mill to the Cypress Boat Guild.">
<style>body {{ font-family: serif }} nav li {{ display: inline }}</style>
<script>window.trackers = ["not", "text"]; document.title = document.title;</script>
</head>
<body>
<header><a href="/">Bayou Courier</a></header>
<nav><ul><li><a href="/news">News</a></li><li><a href="/sport">Sport</a></li><li><a href="/weather">Weather</a></li><li><a href="/login">Log in</a></li></ul></nav>
<div class="cookie-banner" hidden>We use cookies. <button>Accept all</button></div>
<main>
<article>
<h1>{title}</h1>
<p class="byline">{byline}</p>
{article}
</article>
</main>
<aside><h2>Most read</h2><ol><li><a href="/1">Crawfish prices fall</a></li><li><a href="/2">Bridge closed on Sunday</a></li></ol></aside>
<footer><p>&copy; 2024 Bayou Courier &middot; <a href="/imprint">Imprint</a> &middot; <a href="/privacy">Privacy</a></p></footer>
</body>
</html>
"""


def news():
    body = "\n".join(f"<p>{escape(p)}</p>" for p in ARTICLE)
    return PAGE.format(title=escape(TITLE), byline=escape(BYLINE), article=body).encode("utf-8")


def news_text():
    return "\n\n".join([TITLE, BYLINE, *ARTICLE]) + "\n"
