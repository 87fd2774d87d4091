// Where a voxel lies in the patient (LPS, mm), and which way is which.

// affine: rows of a 4×4 matrix, (slice, row, column, 1) → x, y, z.
export function position(affine, slice, row, column) {
  return [0, 1, 2].map((axis) =>
    affine[axis][0] * slice + affine[axis][1] * row + affine[axis][2] * column + affine[axis][3]);
}

const LETTERS = [["L", "R"], ["P", "A"], ["S", "I"]];

// Letters of a direction, the strongest axis first; oblique ones have two or three.
export function letters(direction) {
  const length = Math.hypot(...direction) || 1;
  return direction
    .map((part, axis) => [Math.abs(part) / length, LETTERS[axis][part < 0 ? 1 : 0]])
    .filter(([part]) => part > 0.2)
    .sort((one, other) => other[0] - one[0])
    .map(([, letter]) => letter)
    .join("");
}

const column = (affine, index) => [0, 1, 2].map((axis) => affine[axis][index]);
const against = (direction) => direction.map((part) => -part);

// Letters at the edges of the picture.
export function edges(affine) {
  if (!affine) return { top: "", right: "", bottom: "", left: "" };
  const down = column(affine, 1);
  const right = column(affine, 2);
  return {
    top: letters(against(down)), right: letters(right), bottom: letters(down), left: letters(against(right)),
  };
}
