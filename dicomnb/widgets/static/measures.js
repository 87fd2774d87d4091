// Measures on one frame. Points are [row, column] of pixels, whole at their centres; the same
// as dicomnb.widgets.measuring.

// Length in mm, or in pixels where the spacing is not known.
export function distance([from, to], spacing) {
  const [high, wide] = spacing || [1, 1];
  return Math.hypot((to[0] - from[0]) * high, (to[1] - from[1]) * wide);
}

// Whether the centre of a pixel lies in a shape between two corners.
function inside(shape, row, column, [top, left, bottom, right]) {
  if (shape === "rectangle") return true;
  const high = (bottom - top) / 2 || 0.5;
  const wide = (right - left) / 2 || 0.5;
  const y = (row - (top + bottom) / 2) / high;
  const x = (column - (left + right) / 2) / wide;
  return x * x + y * y <= 1;
}

// Number of pixels, mean, standard deviation, least and greatest of the values in a shape.
export function region(shape, [from, to], frame, [rows, columns], spacing) {
  const box = [Math.min(from[0], to[0]), Math.min(from[1], to[1]), Math.max(from[0], to[0]), Math.max(from[1], to[1])];
  let count = 0, sum = 0, squares = 0, min = Infinity, max = -Infinity, first = null;
  const last = [Math.min(rows - 1, Math.floor(box[2])), Math.min(columns - 1, Math.floor(box[3]))];
  for (let row = Math.max(0, Math.ceil(box[0])); row <= last[0]; row++) {
    for (let column = Math.max(0, Math.ceil(box[1])); column <= last[1]; column++) {
      const value = frame[row * columns + column];
      if (!inside(shape, row, column, box) || Number.isNaN(value)) continue;
      if (first === null) first = value;
      const from_first = value - first;  // keeps the squares small: no digits are lost
      count++;
      sum += from_first;
      squares += from_first * from_first;
      if (value < min) min = value;
      if (value > max) max = value;
    }
  }
  if (!count) return { count: 0 };
  const mean = sum / count;
  const area = count * (spacing ? spacing[0] * spacing[1] : 1);
  const deviation = Math.sqrt(Math.max(0, squares / count - mean * mean));
  return { count, mean: first + mean, deviation, min, max, area };
}

const short = (number) => (Math.abs(number) >= 100 ? number.toFixed(0) : number.toPrecision(3)).replace("-", "−");

// A measurement in words, for the picture and for who cannot see it.
export function words(measurement, units, spacing) {
  if (measurement.kind === "distance") return `${measurement.length.toFixed(1)} ${spacing ? "mm" : "px"}`;
  if (measurement.count === undefined) return "…";
  if (!measurement.count) return "no pixels";
  const value = `${short(measurement.mean)} ± ${short(measurement.deviation)} ${units}`.trim();
  return `${value}, ${short(measurement.area)} ${spacing ? "mm²" : "px"}`;
}
