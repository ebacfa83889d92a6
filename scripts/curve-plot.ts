/** Draws curves as SVG: published points as rings, heddle's as a line, on logarithmic axes. Numbers in, text out; no files. */
import { scaleLog } from 'd3-scale';
import { line } from 'd3-shape';

/** One curve: a name and its points. */
export interface Curve {
  readonly name: string;
  readonly points: readonly { readonly x: number; readonly published: number; readonly ours: number }[];
}

export interface Plot {
  readonly title: string;
  readonly xTitle: string;
  readonly yTitle: string;
  readonly curves: readonly Curve[];
}

const [WIDTH, HEIGHT] = [640, 400];
const EDGE = { left: 64, right: 96, top: 34, bottom: 44 };
const COLOURS = ['#1f5fa8', '#c2501a', '#2e7d32', '#7b3fa0'];

const escapeXml = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
const round = (value: number): string => String(Math.round(value * 10) / 10);

function axisLabel(value: number): string {
  if (value >= 2 ** 20 && Number.isInteger(Math.log2(value))) return `${value / 2 ** 20} Mi`;
  if (value >= 1024 && Number.isInteger(Math.log2(value))) return `${value / 1024} Ki`;
  return String(Number(value.toPrecision(3)));
}

/** Powers of 2 when there are many, else the values themselves. */
function xTicks(values: readonly number[]): number[] {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  if (high / low < 32) return [...new Set(values)];
  const step = high / low > 2 ** 12 ? 4 : 2;
  const ticks: number[] = [];
  for (let x = 2 ** Math.ceil(Math.log2(low)); x <= high; x *= step) ticks.push(x);
  return ticks;
}

/** 1, 2 and 5 times each power of 10 within the range; on a range of many decades the powers alone. */
function yTicks(low: number, high: number): number[] {
  const ticks: number[] = [];
  const steps = high / low > 1000 ? [1] : [1, 2, 5];
  for (let p = Math.floor(Math.log10(low)); p <= Math.ceil(Math.log10(high)); p++)
    for (const step of steps) {
      const tick = Number((step * 10 ** p).toPrecision(6));
      if (tick >= low && tick <= high) ticks.push(tick);
    }
  return ticks;
}

/** The SVG document. */
export function drawCurves(plot: Plot): string {
  const points = plot.curves.flatMap((curve) => curve.points);
  const xs = points.map(({ x }) => x);
  const ys = points.flatMap(({ published, ours }) => [published, ours]);
  const [right, bottom] = [WIDTH - EDGE.right, HEIGHT - EDGE.bottom];
  const x = scaleLog([Math.min(...xs), Math.max(...xs)], [EDGE.left, right]);
  const [low, high] = [Math.min(...ys) * 0.85, Math.max(...ys) * 1.15];
  const y = scaleLog([low, high], [bottom, EDGE.top]);
  const out = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="11" fill="#222">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="white"/>`,
    `<text x="${EDGE.left}" y="18" font-size="13" font-weight="bold">${escapeXml(plot.title)}</text>`,
  ];
  for (const tick of xTicks(xs)) {
    const at = round(x(tick));
    out.push(`<path d="M${at} ${bottom}V${EDGE.top}" stroke="#ddd"/>`);
    out.push(`<text x="${at}" y="${bottom + 15}" text-anchor="middle">${axisLabel(tick)}</text>`);
  }
  for (const tick of yTicks(low, high)) {
    const at = round(y(tick));
    out.push(`<path d="M${EDGE.left} ${at}H${right}" stroke="#ddd"/>`);
    out.push(`<text x="${EDGE.left - 6}" y="${at}" dy="4" text-anchor="end">${axisLabel(tick)}</text>`);
  }
  out.push(`<text x="${(EDGE.left + right) / 2}" y="${HEIGHT - 8}" text-anchor="middle">${escapeXml(plot.xTitle)}</text>`);
  const middle = (EDGE.top + bottom) / 2;
  out.push(`<text transform="translate(16 ${middle}) rotate(-90)" text-anchor="middle">${escapeXml(plot.yTitle)}</text>`);
  plot.curves.forEach((curve, i) => {
    out.push(...drawCurve(curve, COLOURS[i % COLOURS.length] as string, x, y));
    const at = EDGE.top + 14 + i * 16;
    out.push(`<path d="M${right + 8} ${at - 4}h16" stroke="${COLOURS[i % COLOURS.length]}" stroke-width="2"/>`);
    out.push(`<text x="${right + 28}" y="${at}">${escapeXml(curve.name)}</text>`);
  });
  const at = EDGE.top + 14 + plot.curves.length * 16;
  out.push(`<circle cx="${right + 16}" cy="${at - 4}" r="3.5" fill="none" stroke="#222"/>`);
  out.push(`<text x="${right + 28}" y="${at}">published</text>`);
  out.push('</svg>', '');
  return out.join('\n');
}

function drawCurve(curve: Curve, colour: string, x: (value: number) => number, y: (value: number) => number): string[] {
  const path = line<Curve['points'][number]>(
    (p) => x(p.x),
    (p) => y(p.ours),
  ).digits(1);
  return [
    `<path d="${path([...curve.points])}" fill="none" stroke="${colour}" stroke-width="1.5"/>`,
    ...curve.points.map(
      (p) => `<circle cx="${round(x(p.x))}" cy="${round(y(p.published))}" r="3.5" fill="none" stroke="${colour}"/>`,
    ),
  ];
}
