"""A wording in another language, for the tests of verifiers with a wording of their own."""

from __future__ import annotations

from strop.prompts import Wording

GERMAN = Wording(
    binary="Frage: {question}\nAntwort: {response}\nPrüfe, dann urteile: Richtig oder Falsch.\n"
    "Prüfung:",
    tournament="Frage: {question}\nA: {first}\nB: {second}\nPrüfe beide und nenne die bessere, "
    "A oder B.\nPrüfung:",
    score="{question}\n{response}\nNote 1 bis 10:",
    verdict="\nUrteil:",
    score_line="\n** Note (1-10) **\n",
    better="\nBesser:",
    correct=" Richtig",
    incorrect=" Falsch",
)
