"""The report's style sheet: light and dark, wide and narrow, and nothing from elsewhere."""

from __future__ import annotations

_LIGHT = """--page:#f6f6f3;--card:#fff;--ink:#1b1f23;--soft:#5f6871;--line:#e3e3dd;--grid:#ecece6;
--blue:#2f6fb5;--pale:#a9c8ea;--green:#2b8257;--mint:#9fd3b8;--red:#b3372c;--blush:#fbe9e6;
--amber:#8a5a00;--sand:#fdf3dc;--s0:#2f6fb5;--s1:#c8612a;--s2:#2b8257;--s3:#8350a6;--s4:#b08a00;
--s5:#4b8f99"""
_DARK = """--page:#14171a;--card:#1d2125;--ink:#e8eaec;--soft:#a0a9b1;--line:#2f353a;--grid:#2a2f34;
--blue:#6aa8ea;--pale:#2f4f72;--green:#5fc08f;--mint:#2c5a45;--red:#f0857a;--blush:#3a2321;
--amber:#e6b657;--sand:#362d1b;--s0:#6aa8ea;--s1:#ef9a64;--s2:#5fc08f;--s3:#c39be0;--s4:#dcbd4f;
--s5:#82c4ce"""

STYLE = (
    f":root{{color-scheme:light dark;{_LIGHT}}}\n"
    f"@media(prefers-color-scheme:dark){{:root{{{_DARK}}}}}\n"
    """
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);line-height:1.5;
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",sans-serif}
main{max-width:1000px;margin:0 auto;padding:40px 24px 64px}
h1{font-size:30px;line-height:1.2;letter-spacing:-.02em;margin:0 0 6px}
h2{font-size:18px;margin:0 0 2px}
p{margin:0}
.soft,.note{color:var(--soft)}
.note{font-size:14px;margin:0 0 14px}
header{margin-bottom:24px}
.finding{border-radius:10px;padding:12px 16px;margin:0 0 12px;font-size:15px}
.warning{background:var(--blush);color:var(--red);border-left:4px solid var(--red);font-weight:600}
.remark{background:var(--sand);color:var(--amber);border-left:4px solid var(--amber)}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(135px,1fr));gap:12px;margin:24px 0}
.card,section{background:var(--card);border:1px solid var(--line);border-radius:12px}
.card{padding:14px 16px}
.card b{display:block;font-size:25px;line-height:1.25;letter-spacing:-.02em;
font-variant-numeric:tabular-nums}
.card b small{font-size:14px;font-weight:500;color:var(--soft);letter-spacing:0}
.card span{font-size:13px;color:var(--soft)}
section{padding:20px 22px;margin:0 0 18px}
svg{display:block;width:100%;height:auto}
.slim{display:none}
.key{display:flex;flex-wrap:wrap;gap:4px 18px;font-size:13px;color:var(--soft);margin:0 0 10px}
.scroll+.note{margin:14px 0 0}
.key i{display:inline-block;width:14px;height:10px;border-radius:2px;margin-right:6px}
.scroll{overflow-x:auto;margin-top:14px}
table{border-collapse:collapse;width:100%;font-size:14px;font-variant-numeric:tabular-nums}
th,td{padding:7px 10px;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th{color:var(--soft);font-weight:500}
th:first-child,td:first-child{text-align:left;padding-left:0}
tr:last-child td{border-bottom:0}
.wrap td{white-space:normal;text-align:left}
.wrap td:first-child{color:var(--soft);width:9em;vertical-align:top}
.reasons{margin:14px 0 0;padding-left:18px;font-size:14px;color:var(--red);overflow-wrap:anywhere}
text{font:13px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;fill:var(--ink)}
text.tick,text.unit,text.cosine{fill:var(--soft);font-size:12px}
text.value,text.cosine{font-variant-numeric:tabular-nums}
text.strong{font-weight:650}
text.gone{fill:var(--soft)}
text.bad{fill:var(--red);font-size:12px;font-weight:600}
.grid{stroke:var(--grid)}
.axis{stroke:var(--line)}
.ridge{stroke-width:1.2}
.stage{fill:var(--pale);stroke:var(--blue)}
.together{fill:var(--mint);stroke:var(--green)}
.mark50{stroke:var(--ink);stroke-width:2}
.mark95{stroke:var(--ink);stroke-width:1.3;stroke-dasharray:3 2}
.bar{fill:var(--pale)}
.part{fill:var(--blue)}
.bar.fastest{fill:var(--mint)}
.part.fastest{fill:var(--green)}
.whisker{stroke:var(--soft);stroke-width:1.5}
.refused{fill:var(--blush);stroke:var(--red);stroke-dasharray:4 3}
.series,.upper{fill:none;stroke-width:2;stroke-linejoin:round}
.upper{stroke:var(--pale);stroke-width:1}
.band{fill:var(--pale);opacity:.55}
.edge{fill:var(--sand)}
.hot{fill:var(--blush)}
.s0{stroke:var(--s0)}.s1{stroke:var(--s1)}.s2{stroke:var(--s2)}
.s3{stroke:var(--s3)}.s4{stroke:var(--s4)}.s5{stroke:var(--s5)}
@media(max-width:640px){
main{padding:24px 12px 48px}
h1{font-size:24px}
section{padding:16px 14px}
.cards{grid-template-columns:1fr 1fr;gap:8px}
.card b{font-size:21px}
.wide{display:none}
.slim{display:block}
}
@media print{body{background:#fff}section,.card{break-inside:avoid}}
"""
)
