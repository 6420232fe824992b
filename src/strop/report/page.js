// The page's own script: draws the charts, and shows the chosen problem. Model texts reach the page through textContent alone.
"use strict";
(function () {
  const byId = (id) => document.getElementById(id);
  const read = (id) => JSON.parse(byId(id).textContent);

  // Charts -------------------------------------------------------------------------------------------------------------------

  const charts = read("chart-data");
  const dark = window.matchMedia("(prefers-color-scheme: dark)");

  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  function settings() {
    const font = getComputedStyle(document.body).fontFamily;
    const axis = { labelColor: colour("--ink"), titleColor: colour("--soft"), titleFontWeight: "normal", gridColor: colour("--line"),
      domainColor: colour("--line"), tickColor: colour("--line"), labelFontSize: 12, titleFontSize: 12, labelPadding: 6 };
    const legend = { labelColor: colour("--ink"), labelFontSize: 12, symbolSize: 60 };
    return { background: "transparent", font: font, view: { stroke: null }, axis: axis, legend: legend };
  }

  function drawOne(place) {
    const names = { "@accent": colour("--accent"), "@muted": colour("--soft"), "@zero": colour("--soft") };
    for (let series = 1; series < 9; series += 1) names["@c" + series] = colour("--c" + series);
    const text = JSON.stringify(charts[Number(place.dataset.chart)]).replace(/"(@[a-z]+[0-9]?)"/g, (whole, name) => JSON.stringify(names[name] || whole));
    const specification = JSON.parse(text);
    const theme = dark.matches ? "dark" : "light";
    place.dataset.drawn = "begun";
    window.vegaEmbed(place, specification, { actions: false, renderer: "svg", ast: true, config: settings(), tooltip: { theme: theme } })
      .then(() => { place.dataset.drawn = "done"; })
      .catch((error) => { place.textContent = "This chart could not be drawn: " + error.message; });
  }

  // A chart is drawn when it comes near the window, so that a long page opens at once; all are before printing.
  const places = Array.from(document.querySelectorAll("[data-chart]"));
  const near = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting && !entry.target.dataset.drawn) drawOne(entry.target);
    }
  }, { rootMargin: "800px" });
  places.forEach((place) => near.observe(place));
  dark.addEventListener("change", () => places.filter((place) => place.dataset.drawn).forEach(drawOne));
  window.addEventListener("beforeprint", () => places.filter((place) => !place.dataset.drawn && place.offsetParent).forEach(drawOne));

  // Reader -------------------------------------------------------------------------------------------------------------------

  const runs = read("reader-data");
  const controls = { run: byId("run"), filter: byId("filter"), verifier: byId("verifier"), problem: byId("problem") };

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

  const plain = (text) => (text === null ? "–" : typeof text === "object" ? text.text : text);

  function full(parent, text, label) {
    const shown = element("pre", "", plain(text));
    shown.tabIndex = 0;
    shown.dir = "auto";
    shown.setAttribute("aria-label", label);
    parent.append(shown);
    if (text !== null && typeof text === "object") {
      const count = text.length.toLocaleString("en");
      parent.append(element("p", "cut", "Cut: the first 4,000 of " + count + " characters are shown."));
    }
  }

  function folded(parent, title, text) {
    const details = element("details");
    details.append(element("summary", "", title));
    full(details, text, title);
    parent.append(details);
  }

  const run = () => runs[Number(controls.run.value)];

  function judged(response) {
    const chosen = controls.verifier.value;
    return response.scores.filter((score, place) => score && (chosen === "any" || Number(chosen) === place));
  }

  const tests = {
    "all": () => true,
    "right-rejected": (response) => response.utility === 1 && judged(response).some((score) => score.kept === false),
    "wrong-kept": (response) => response.utility === 0 && judged(response).some((score) => score.kept === true),
    "unparsed": (response) => judged(response).some((score) => score.unparsed > 0),
    "truncated": (response) => response.finish === "length",
  };

  const matching = (problem) => problem.responses.filter(tests[controls.filter.value]);

  function verdict(response) {
    if (response.utility === 1) return element("span", "tag good", "right");
    if (response.utility !== 0) return element("span", "tag note", "utility " + (response.utility === null ? "–" : response.utility));
    if (response.utilityFlexible === 1) return element("span", "tag bad", "wrong (right when read flexibly)");
    return element("span", "tag bad", "wrong");
  }

  function opinions(response) {
    const table = element("table", "opinions");
    const head = table.createTHead().insertRow();
    for (const name of ["Verifier", "Score", "Filter", "Verification"]) {
      const cell = element("th", "", name);
      cell.scope = "col";
      head.append(cell);
    }
    const body = table.createTBody();
    run().verifiers.forEach((verifier, place) => {
      const score = response.scores[place];
      const row = body.insertRow();
      const name = element("th", "", verifier.name);
      name.scope = "row";
      row.append(name);
      row.append(element("td", "", score && score.score !== null ? String(score.score) : "–"));
      const filter = row.insertCell();
      if (!score || score.kept === null) filter.textContent = "–";
      else filter.append(element("span", score.kept ? "tag" : "tag note", score.kept ? "kept" : "rejected"));
      row.append(element("td", "", !score ? "not scored" : score.unparsed ? score.unparsed + " of " + score.draws + " unparsed" : "parsed"));
    });
    return table;
  }

  function answered(response) {
    const strict = plain(response.answer), flexible = plain(response.flexible);
    const answers = "answer " + strict + (flexible === strict ? "" : ", flexibly " + flexible);
    return answers + (response.foundBy === null ? "" : " (found by “" + plain(response.foundBy) + "” at character " + response.foundAt + ")");
  }

  function responseCard(response) {
    const card = element("section", "response");
    const head = element("header");
    head.append(element("h4", "", "Response " + response.sample), verdict(response));
    if (response.finish === "length") head.append(element("span", "tag note", "truncated"));
    const logprob = typeof response.logprob === "number" ? response.logprob.toFixed(2) : plain(response.logprob);
    const copies = response.copies > 1 ? " · drawn " + response.copies + " times" : "";
    head.append(element("span", "facts", answered(response) + " · log-probability " + logprob + " · " + response.tokens + " tokens" + copies));
    card.append(head);
    full(card, response.text, "Response " + response.sample);
    const holder = element("div", "scroll");
    holder.tabIndex = 0;
    holder.setAttribute("role", "group");
    holder.setAttribute("aria-label", "What verifiers say of response " + response.sample);
    holder.append(opinions(response));
    if (run().verifiers.length) card.append(holder);
    run().verifiers.forEach((verifier, place) => {
      const score = response.scores[place];
      (score ? score.texts : []).forEach((text, draw) => folded(card, verifier.name + " verification" + (draw ? " " + (draw + 1) : ""), text));
    });
    return card;
  }

  function showProblem() {
    const shown = byId("shown");
    shown.replaceChildren();
    const problem = run().problems[Number(controls.problem.value)];
    if (controls.problem.value === "" || !problem) return;
    shown.append(element("h3", "", "Problem " + problem.id + (problem.split ? " (" + problem.split + ")" : "")));
    full(shown, problem.question, "Question");
    const reference = element("p", "", "Reference: ");
    reference.append(element("code", "", plain(problem.reference)));
    shown.append(reference);
    folded(shown, "Prompt as sent", problem.prompt);
    if (problem.metadata && problem.metadata !== "{}") folded(shown, "Metadata", problem.metadata);
    const found = matching(problem);
    const total = problem.responses.length;
    const rest = total < problem.distinct ? "; " + total + " of the " + problem.distinct + " distinct responses are in this page" : "";
    const some = found.length === total ? total + " distinct" : found.length + " of " + total + " distinct";
    shown.append(element("p", "soft", "Shows " + some + " responses (" + problem.drawn + " drawn)" + rest + ". Copies of a text stand once, with the scores of the first."));
    shown.append(...found.map(responseCard));
    const place = controls.problem.selectedIndex;
    byId("previous").disabled = place <= 0;
    byId("next").disabled = place >= controls.problem.options.length - 1;
  }

  function listProblems() {
    const before = controls.problem.value;
    controls.problem.replaceChildren();
    let responses = 0;
    run().problems.forEach((problem, place) => {
      const found = matching(problem).length;
      if (!found && controls.filter.value !== "all") return;
      responses += found;
      const question = plain(problem.question).replace(/\s+/g, " ").slice(0, 60);
      controls.problem.append(option(place, problem.id + ": " + question));
    });
    const listed = controls.problem.options.length;
    if (Array.from(controls.problem.options).some((item) => item.value === before)) controls.problem.value = before;
    const whole = run().whole[controls.filter.value], chosen = controls.verifier.value;
    const count = (number) => number.toLocaleString("en");
    const all = count(run().whole.all.any) + " responses";
    const inRun = controls.filter.value === "all" ? "The whole run has " + all + "."
      : "In the whole run: " + count(chosen === "any" ? whole.any : whole.by[Number(chosen)]) + " of " + all + ".";
    byId("status").textContent = (listed ? responses + " distinct responses in " + listed + (listed === 1 ? " problem. " : " problems. ")
      : "No response in this page is like that. ") + inRun;
    byId("previous").disabled = byId("next").disabled = true;
    showProblem();
  }

  function chooseRun() {
    controls.verifier.replaceChildren(option("any", "any verifier"), ...run().verifiers.map((verifier, place) => option(place, verifier.name + " @" + verifier.weigh)));
    byId("sampled").textContent = run().note + " Of each at most 16 distinct responses, and at most 3 verifications of each.";
    controls.problem.replaceChildren();
    listProblems();
  }

  function step(by) {
    const place = controls.problem.selectedIndex + by;
    if (place < 0 || place >= controls.problem.options.length) return;
    controls.problem.selectedIndex = place;
    showProblem();
  }

  runs.forEach((item, place) => controls.run.append(option(place, item.label)));
  byId("controls").addEventListener("submit", (event) => event.preventDefault());
  controls.run.addEventListener("change", chooseRun);
  controls.filter.addEventListener("change", listProblems);
  controls.verifier.addEventListener("change", listProblems);
  controls.problem.addEventListener("change", showProblem);
  byId("previous").addEventListener("click", () => step(-1));
  byId("next").addEventListener("click", () => step(1));
  chooseRun();
})();
