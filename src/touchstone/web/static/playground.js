// The playground: answers as they come, and votes by key. Everything works without it, only with more page loads.
(function () {
  "use strict";

  document.querySelectorAll("form[data-scripted] input[name=scripted]").forEach(function (field) {
    field.value = "1";
  });

  // A file that was not chosen need not be sent as an empty one.
  document.addEventListener("formdata", function (event) {
    ["image", "sound"].forEach(function (name) {
      var file = event.formData.get(name);
      if (file instanceof File && !file.name) event.formData.delete(name);
    });
  });

  // The turn and the money as they are now; what is being typed stays.
  function refresh(turn) {
    fetch(location.href, { credentials: "same-origin" })
      .then(function (reply) { return reply.text(); })
      .then(function (text) {
        var page = new DOMParser().parseFromString(text, "text/html");
        [["#" + turn.id, turn], [".purse", document.querySelector(".purse")]].forEach(function (pair) {
          var fresh = page.querySelector(pair[0]);
          if (fresh && pair[1]) pair[1].replaceWith(document.importNode(fresh, true));
        });
      });
  }

  document.querySelectorAll("[data-events]").forEach(function (turn) {
    var number = turn.getAttribute("data-turn");
    var source = new EventSource(turn.getAttribute("data-events"));
    var place = function (at) {
      return document.getElementById("answer-" + number + "-" + at);
    };
    source.addEventListener("piece", function (event) {
      var piece = JSON.parse(event.data);
      var box = place(piece.place);
      var said = box && box.querySelector(".said");
      var thought = box && box.querySelector(".thought");
      if (!said || !thought) return;
      if (piece.whole) said.textContent = thought.textContent = "";
      said.textContent += piece.text;
      thought.textContent += piece.reasoning;
      thought.hidden = thought.textContent === "";
    });
    for (var at = 0; at < 8; at++) {
      (function (at) {
        source.addEventListener("pane-" + at, function (event) {
          var box = place(at);
          if (box) box.innerHTML = event.data;
        });
      })(at);
    }
    source.addEventListener("ended", function () {
      source.close();
      if (turn.getAttribute("data-ends") === "reload") location.reload();
      else refresh(turn);
    });
  });

  document.addEventListener("keydown", function (event) {
    var at = event.target;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && at.form && at.form.hasAttribute("data-keys-send")) {
      event.preventDefault();
      at.form.requestSubmit();
      return;
    }
    if (event.key === "Enter" && at.id === "find") {
      event.preventDefault();
      document.getElementById("find-it").click();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (/^(INPUT|TEXTAREA|SELECT)$/.test(at.tagName)) return;
    if (!/^[0-9]$/.test(event.key)) return;
    var button = document.querySelector('button[data-key="' + event.key + '"]');
    if (button && !button.disabled) button.click();
  });

  // One vote is one vote, however often the key is pressed.
  document.addEventListener("submit", function (event) {
    var form = event.target;
    if (!form.classList || !form.classList.contains("voting")) return;
    if (form.hasAttribute("data-sent")) event.preventDefault();
    form.setAttribute("data-sent", "");
  });
})();
