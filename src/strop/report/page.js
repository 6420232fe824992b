// The page's own script: it draws the charts and shows the chosen problem.
// Model texts are hostile: they reach the page through textContent alone, never as markup.
"use strict";
(function () {
  const RESPONSE_LIMIT = 16, DRAW_LIMIT = 3; // as in reader.py

  const byId = (id) => document.getElementById(id);
  const read = (id) => JSON.parse(byId(id).textContent);

  // --- charts ---

  const specifications = read("chart-data");
  const darkMode = window.matchMedia("(prefers-color-scheme: dark)");

  function colour(variable) {
    return getComputedStyle(document.documentElement).getPropertyValue(variable).trim();
  }

  function settings() {
    const axis = {
      labelColor: colour("--ink"), titleColor: colour("--soft"), titleFontWeight: "normal",
      gridColor: colour("--line"), domainColor: colour("--line"), tickColor: colour("--line"),
      labelFontSize: 12, titleFontSize: 12, labelPadding: 6,
    };
    const legend = { labelColor: colour("--ink"), labelFontSize: 12, symbolSize: 60 };
    const font = getComputedStyle(document.body).fontFamily;
    return { background: "transparent", font, view: { stroke: null }, axis, legend };
  }

  // Specifications name their colours ("@c1"), so that a chart can be drawn in either palette.
  function withColours(specification) {
    const colours = {
      "@accent": colour("--accent"), "@muted": colour("--soft"), "@zero": colour("--soft"),
    };
    for (let series = 1; series < 9; series += 1) {
      colours["@c" + series] = colour("--c" + series);
    }
    const replaced = JSON.stringify(specification).replace(
      /"(@[a-z]+[0-9]?)"/g, (whole, name) => JSON.stringify(colours[name] || whole));
    return JSON.parse(replaced);
  }

  function drawChart(holder) {
    const specification = withColours(specifications[Number(holder.dataset.chart)]);
    const options = {
      actions: false,
      renderer: "svg",
      ast: true, // an interpreter of expressions: the page's policy forbids eval
      config: settings(),
      tooltip: { theme: darkMode.matches ? "dark" : "light" },
    };
    holder.dataset.drawn = "begun";
    window.vegaEmbed(holder, specification, options)
      .then(() => { holder.dataset.drawn = "done"; })
      .catch((error) => {
        holder.textContent = "This chart could not be drawn: " + error.message;
      });
  }

  // A chart is drawn when it comes near the window, so that a long page opens at once. Before
  // printing, all that are not folded away are drawn.
  const holders = Array.from(document.querySelectorAll("[data-chart]"));
  const nearWindow = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting && !entry.target.dataset.drawn) drawChart(entry.target);
    }
  }, { rootMargin: "800px" });
  holders.forEach((holder) => nearWindow.observe(holder));
  darkMode.addEventListener("change", () => {
    holders.filter((holder) => holder.dataset.drawn).forEach(drawChart);
  });
  window.addEventListener("beforeprint", () => {
    holders.filter((holder) => !holder.dataset.drawn && holder.offsetParent).forEach(drawChart);
  });

  // --- reader ---

  const runs = read("reader-data");
  const controls = {
    run: byId("run"), filter: byId("filter"), verifier: byId("verifier"), problem: byId("problem"),
  };

  function element(name, className, text) {
    const made = document.createElement(name);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function option(value, text) {
    const made = element("option", "", text);
    made.value = value;
    return made;
  }

  // A text is null, a string, or, if it was cut, an object with its beginning and its length.
  const isCut = (text) => text !== null && typeof text === "object";

  function plain(text) {
    if (text === null) return "–";
    return isCut(text) ? text.text : text;
  }

  function addText(parent, text, label) {
    const block = element("pre", "", plain(text));
    block.tabIndex = 0;
    block.dir = "auto";
    block.setAttribute("aria-label", label);
    parent.append(block);
    if (isCut(text)) {
      const count = text.length.toLocaleString("en");
      const note = "Cut: the first 4,000 of " + count + " characters are shown.";
      parent.append(element("p", "cut", note));
    }
  }

  function addFoldedText(parent, text, title) {
    const details = element("details");
    details.append(element("summary", "", title));
    addText(details, text, title);
    parent.append(details);
  }

  const currentRun = () => runs[Number(controls.run.value)];

  // The scores of the chosen verifier, or of all.
  function chosenScores(response) {
    const chosen = controls.verifier.value;
    return response.scores.filter(
      (score, index) => score && (chosen === "any" || Number(chosen) === index));
  }

  // flags.py counts the same over the whole run. "kept" is null if the weight is no filter.
  const filters = {
    "all": () => true,
    "right-rejected": (response) =>
      response.utility === 1 && chosenScores(response).some((score) => score.kept === false),
    "wrong-kept": (response) =>
      response.utility === 0 && chosenScores(response).some((score) => score.kept === true),
    "unparsed": (response) => chosenScores(response).some((score) => score.unparsed > 0),
    "truncated": (response) => response.finish === "length",
  };

  const matching = (problem) => problem.responses.filter(filters[controls.filter.value]);

  function gradeTag(response) {
    if (response.utility === 1) return element("span", "tag good", "right");
    if (response.utility !== 0) {
      const utility = response.utility === null ? "–" : response.utility;
      return element("span", "tag note", "utility " + utility);
    }
    if (response.utilityFlexible === 1) {
      return element("span", "tag bad", "wrong (right when read flexibly)");
    }
    return element("span", "tag bad", "wrong");
  }

  function scoresTable(response) {
    const table = element("table", "opinions");
    const head = table.createTHead().insertRow();
    for (const name of ["Verifier", "Score", "Filter", "Verification"]) {
      const cell = element("th", "", name);
      cell.scope = "col";
      head.append(cell);
    }
    const body = table.createTBody();
    currentRun().verifiers.forEach((verifier, index) => {
      addScoreRow(body.insertRow(), verifier, response.scores[index]);
    });
    return table;
  }

  function addScoreRow(row, verifier, score) {
    const name = element("th", "", verifier.name);
    name.scope = "row";
    row.append(name);
    row.append(element("td", "", score && score.score !== null ? String(score.score) : "–"));
    const filter = row.insertCell();
    if (!score || score.kept === null) filter.textContent = "–";
    else if (score.kept) filter.append(element("span", "tag", "kept"));
    else filter.append(element("span", "tag note", "rejected"));
    row.append(element("td", "", verificationState(score)));
  }

  function verificationState(score) {
    if (!score) return "not scored";
    return score.unparsed ? score.unparsed + " of " + score.draws + " unparsed" : "parsed";
  }

  function answerText(response) {
    const strict = plain(response.answer), flexible = plain(response.flexible);
    let text = "answer " + strict;
    if (flexible !== strict) text += ", flexibly " + flexible;
    if (response.foundBy !== null) {
      const rule = "“" + plain(response.foundBy) + "”";
      text += " (found by " + rule + " at character " + response.foundAt + ")";
    }
    return text;
  }

  function factsText(response) {
    const logprob = typeof response.logprob === "number"
      ? response.logprob.toFixed(2) : plain(response.logprob);
    const facts = [
      answerText(response), "log-probability " + logprob, response.tokens + " tokens",
    ];
    if (response.copies > 1) facts.push("drawn " + response.copies + " times");
    return facts.join(" · ");
  }

  function responseCard(response) {
    const name = "Response " + response.sample;
    const card = element("section", "response");
    const head = element("header");
    head.append(element("h4", "", name), gradeTag(response));
    if (response.finish === "length") head.append(element("span", "tag note", "truncated"));
    head.append(element("span", "facts", factsText(response)));
    card.append(head);
    addText(card, response.text, name);
    const verifiers = currentRun().verifiers;
    if (verifiers.length) {
      const holder = element("div", "scroll");
      holder.tabIndex = 0;
      holder.setAttribute("role", "group");
      holder.setAttribute("aria-label", "Verifiers' scores of response " + response.sample);
      holder.append(scoresTable(response));
      card.append(holder);
    }
    verifiers.forEach((verifier, index) => {
      const score = response.scores[index];
      (score ? score.texts : []).forEach((text, draw) => {
        const number = draw ? " " + (draw + 1) : "";
        addFoldedText(card, text, verifier.name + " verification" + number);
      });
    });
    return card;
  }

  function showProblem() {
    const shown = byId("shown");
    shown.replaceChildren();
    const problem = currentRun().problems[Number(controls.problem.value)];
    // Without a matching problem the list is empty and its value is "".
    if (controls.problem.value === "" || !problem) return;
    const split = problem.split ? " (" + problem.split + ")" : "";
    shown.append(element("h3", "", "Problem " + problem.id + split));
    addText(shown, problem.question, "Question");
    const reference = element("p", "", "Reference: ");
    reference.append(element("code", "", plain(problem.reference)));
    shown.append(reference);
    addFoldedText(shown, problem.prompt, "Prompt as sent");
    if (problem.metadata && problem.metadata !== "{}") {
      addFoldedText(shown, problem.metadata, "Metadata");
    }
    const responses = matching(problem);
    shown.append(element("p", "soft", responsesNote(problem, responses.length)));
    shown.append(...responses.map(responseCard));
    const index = controls.problem.selectedIndex;
    byId("previous").disabled = index <= 0;
    byId("next").disabled = index >= controls.problem.options.length - 1;
  }

  function responsesNote(problem, matches) {
    const total = problem.responses.length;
    let text = "Shows " + (matches === total ? total : matches + " of " + total);
    text += " distinct responses (" + problem.drawn + " drawn)";
    if (total < problem.distinct) {
      text += "; this page has " + total + " of the " + problem.distinct + " distinct responses";
    }
    return text + ". Equal texts are shown once, with the scores of the first.";
  }

  function listProblems() {
    const before = controls.problem.value;
    const filter = controls.filter.value;
    controls.problem.replaceChildren();
    let responses = 0;
    currentRun().problems.forEach((problem, index) => {
      const matches = matching(problem).length;
      if (!matches && filter !== "all") return;
      responses += matches;
      const question = plain(problem.question).replace(/\s+/g, " ").slice(0, 60);
      controls.problem.append(option(index, problem.id + ": " + question));
    });
    // Another filter keeps the chosen problem if it still matches.
    if (Array.from(controls.problem.options).some((item) => item.value === before)) {
      controls.problem.value = before;
    }
    byId("status").textContent = statusText(responses, controls.problem.options.length);
    byId("previous").disabled = byId("next").disabled = true;
    showProblem();
  }

  function statusText(responses, problems) {
    const filter = controls.filter.value, chosen = controls.verifier.value;
    const whole = currentRun().whole;
    const count = (number) => number.toLocaleString("en");
    const all = count(whole.all.any) + " responses";
    const noun = problems === 1 ? " problem." : " problems.";
    const onPage = problems
      ? responses + " distinct responses in " + problems + noun
      : "No response in this page matches.";
    if (filter === "all") return onPage + " The whole run has " + all + ".";
    const flag = whole[filter];
    const inRun = chosen === "any" ? flag.any : flag.by[Number(chosen)];
    return onPage + " In the whole run: " + count(inRun) + " of " + all + ".";
  }

  function chooseRun() {
    const verifiers = currentRun().verifiers.map(
      (verifier, index) => option(index, verifier.name + " @" + verifier.weigh));
    controls.verifier.replaceChildren(option("any", "any verifier"), ...verifiers);
    byId("sampled").textContent = currentRun().note + " Each has at most " + RESPONSE_LIMIT
      + " distinct responses, with at most " + DRAW_LIMIT + " verifications each.";
    controls.problem.replaceChildren();
    listProblems();
  }

  function step(by) {
    const index = controls.problem.selectedIndex + by;
    if (index < 0 || index >= controls.problem.options.length) return;
    controls.problem.selectedIndex = index;
    showProblem();
  }

  runs.forEach((run, index) => controls.run.append(option(index, run.label)));
  byId("controls").addEventListener("submit", (event) => event.preventDefault());
  controls.run.addEventListener("change", chooseRun);
  controls.filter.addEventListener("change", listProblems);
  controls.verifier.addEventListener("change", listProblems);
  controls.problem.addEventListener("change", showProblem);
  byId("previous").addEventListener("click", () => step(-1));
  byId("next").addEventListener("click", () => step(1));
  chooseRun();
})();
