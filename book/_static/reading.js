// A formula that is a little too wide for its line is set a little smaller. What is still wider than
// its frame scrolls sideways; here it can be scrolled with the keyboard as well.
(function () {
  "use strict";

  const FRAMES = "mjx-container, .bd-article table, .bd-article pre, .bd-article div.math";
  const FRAMES_TOO = ".bd-article .pst-scrollable-table-container, .bd-article .cell_output," +
    " .bd-article [style*='overflow']";

  function scrolls(frame) {
    const style = getComputedStyle(frame);
    return (
      (["auto", "scroll"].includes(style.overflowX) && frame.scrollWidth > frame.clientWidth) ||
      (["auto", "scroll"].includes(style.overflowY) && frame.scrollHeight > frame.clientHeight)
    );
  }

  const SMALLEST = 0.8; // of the usual size: on a phone that is the size of the text

  function shrink() {
    const formulas = [...document.querySelectorAll("mjx-container[display='true']")].filter(
      (formula) => formula.clientWidth > 0, // not in a closed fold
    );
    for (const formula of formulas) {
      formula.__size ||= formula.style.fontSize; // by MathJax, in per cent
      formula.style.fontSize = formula.__size;
    }
    // All are measured before one is changed: the page is laid out twice and not once for each.
    const shares = formulas.map((formula) => formula.clientWidth / formula.scrollWidth);
    formulas.forEach((formula, i) => {
      if (shares[i] < 1 && shares[i] > SMALLEST - 0.02) {
        formula.style.fontSize = `${parseFloat(formula.__size) * Math.max(SMALLEST, shares[i] - 0.02)}%`;
      }
    });
  }

  function mark() {
    shrink();
    for (const frame of document.querySelectorAll(`${FRAMES}, ${FRAMES_TOO}`)) {
      if (scrolls(frame)) {
        frame.tabIndex = 0;
      } else if (frame.tabIndex === 0) {
        frame.removeAttribute("tabindex");
      }
    }
  }

  async function start() {
    await (window.MathJax && MathJax.startup && MathJax.startup.promise);
    mark();
    new ResizeObserver(mark).observe(document.querySelector(".bd-article") || document.body);
    document.documentElement.dataset.reading = "ready"; // for tests
  }

  addEventListener("load", start);
})();
