// Before anything is drawn: the theme that was chosen, so that no other one is seen first. No module: those come later.
"use strict";

try {
  document.documentElement.dataset.theme = localStorage.getItem("warehouse-theme") || "system";
} catch {
  // A browser that keeps nothing follows the system.
}
