// Makes the link on optuna-dashboard's pages lead to the study that is open there.

const link = document.getElementById("optnas-link");

function lead() {
  const study = /^\/dashboard\/studies\/(\d+)/.exec(location.pathname);
  link.href = study ? `/optnas/study/${study[1]}` : "/optnas/?study";
}

for (const event of ["pointerenter", "focus", "pointerdown"]) link.addEventListener(event, lead);
