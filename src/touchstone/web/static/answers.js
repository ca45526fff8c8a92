// The address follows the filters, so that it can be sent to somebody, and the way back leads to the same list.
(function () {
  "use strict";
  document.addEventListener("htmx:after:swap", function () {
    var form = document.querySelector("form.asking");
    if (!form) return;
    var asked = new URLSearchParams();
    new FormData(form).forEach(function (value, name) {
      var usual = { where: "any", sort: "case", by: "case" }[name] || "";
      if (value !== usual) asked.append(name, value);
    });
    var query = asked.toString();
    history.replaceState(history.state, "", form.getAttribute("action") + (query ? "?" + query : ""));
  });
})();
