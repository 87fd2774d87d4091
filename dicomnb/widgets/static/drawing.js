// The picture on its canvas: the frame under zoom and pan, and what is written over it.

import { edges } from "./space.js";
import { words } from "./measures.js";

export const FRESH = { zoom: 1, x: 0, y: 0 };

// How frame coordinates (row and column, pixels from the upper left corner) go to the canvas.
export class Placing {
  constructor([rows, columns], spacing, width, height, view) {
    const aspect = spacing ? spacing[0] / spacing[1] : 1;
    const fit = Math.min(width / columns, height / (rows * aspect));
    this.wide = fit * view.zoom;
    this.high = fit * aspect * view.zoom;
    this.left = width / 2 + view.x - (columns * this.wide) / 2;
    this.top = height / 2 + view.y - (rows * this.high) / 2;
  }

  // Of a pixel's centre.
  toCanvas([row, column]) {
    return [this.left + (column + 0.5) * this.wide, this.top + (row + 0.5) * this.high];
  }

  toFrame(x, y) {
    return [(y - this.top) / this.high - 0.5, (x - this.left) / this.wide - 0.5];
  }
}

function outlined(context, text, x, y) {
  context.lineWidth = 3;
  context.strokeStyle = "#000c";
  context.strokeText(text, x, y);
  context.fillText(text, x, y);
}

export function drawImage(context, source, placing, [rows, columns]) {
  // Pixels stay sharp when they are large: what one sees is what was measured.
  context.imageSmoothingEnabled = Math.min(placing.wide, placing.high) < 4;
  context.imageSmoothingQuality = "high";
  context.drawImage(source, placing.left, placing.top, columns * placing.wide, rows * placing.high);
}

export function drawEdges(context, affine, width, height) {
  const { top, right, bottom, left } = edges(affine);
  context.fillStyle = "#ffd54a";
  context.font = "600 13px system-ui, sans-serif";
  context.textBaseline = "middle";
  context.textAlign = "center";
  outlined(context, top, width / 2, 12);
  outlined(context, bottom, width / 2, height - 12);
  context.textAlign = "left";
  outlined(context, left, 8, height / 2);
  context.textAlign = "right";
  outlined(context, right, width - 8, height / 2);
}

// A bar of a round length, at most a quarter of the width.
export function drawScale(context, placing, spacing, width, height) {
  if (!spacing) return;
  const millimetre = placing.wide / spacing[1];
  const most = width / 4 / millimetre;
  const power = 10 ** Math.floor(Math.log10(most));
  const length = [5, 2, 1].map((step) => step * power).find((one) => one <= most);
  const end = width - 16;
  context.strokeStyle = "#fff";
  context.lineWidth = 2;
  context.beginPath();
  context.moveTo(end - length * millimetre, height - 30);
  context.lineTo(end, height - 30);
  context.stroke();
  context.fillStyle = "#fff";
  context.font = "12px system-ui, sans-serif";
  context.textAlign = "right";
  context.textBaseline = "bottom";
  outlined(context, length >= 10 ? `${length / 10} cm` : `${length} mm`, end, height - 34);
}

export function drawMeasurement(context, measurement, placing, units, spacing) {
  const [from, to] = measurement.points.map((point) => placing.toCanvas(point));
  context.strokeStyle = context.fillStyle = "#5ee0ff";
  context.lineWidth = 1.5;
  context.beginPath();
  if (measurement.kind === "distance") {
    context.moveTo(...from);
    context.lineTo(...to);
  } else if (measurement.kind === "rectangle") {
    context.rect(from[0], from[1], to[0] - from[0], to[1] - from[1]);
  } else {
    const radii = [Math.abs(to[0] - from[0]) / 2, Math.abs(to[1] - from[1]) / 2];
    context.ellipse((from[0] + to[0]) / 2, (from[1] + to[1]) / 2, ...radii, 0, 0, 2 * Math.PI);
  }
  context.stroke();
  context.font = "12px system-ui, sans-serif";
  context.textAlign = "left";
  context.textBaseline = "top";
  const low = measurement.kind === "ellipse" ? (from[1] + to[1]) / 2 - 6 : Math.max(from[1], to[1]) + 2;
  const corner = [Math.max(from[0], to[0]) + 6, low];
  outlined(context, words(measurement, units, spacing), ...corner);
}
