// Before the page's modules are there: has those fetched that only a symbol's chart needs; none waits for another.
"use strict";

if (location.pathname.startsWith("/symbol/")) {
  const modules = ["symbol", "chart", "choices", "lanes", "legend", "marks", "series", "header"].map(
    (name) => `page/symbol/${name}`,
  );
  for (const name of [...modules, "vendor/lightweight-charts/lightweight-charts"]) {
    document.head.append(
      Object.assign(document.createElement("link"), { rel: "modulepreload", href: `/static/${name}.js` }),
    );
  }
}
