// Layout: boxes and edges placed by dagre, with room for the titles of open modules

const LINE = 16, HEAD = 26, FOOT = 8, TITLE = 20, MOST_LETTERS = 48;
const pen = document.createElement("canvas").getContext("2d");
const widthOf = (text, font) => {
  pen.font = `${font} ${getComputedStyle(document.body).fontFamily}`;
  return pen.measureText(text).width;
};
const shortened = (text) => (text.length > MOST_LETTERS ? `${text.slice(0, MOST_LETTERS - 1)}…` : text);

const sizeOf = (box) => {
  const lines = box.open ? [] : box.lines;
  const title = widthOf(shortened(box.title) + ({ module: "▸ ", output: " (output)" }[box.kind] ?? ""), "600 13px");
  const width = Math.max(80, title, ...lines.map((line) => widthOf(shortened(line), "11.5px"))) + 28;
  return { width: Math.min(360, Math.ceil(width)), height: HEAD + LINE * (lines.length + (box.fails ? 1 : 0)) + FOOT };
};

// Boxes by number with their places, whose x and y are in the middle, and edges as paths
const layout = (boxes, edges, isLarge) => {
  const graph = new dagre.graphlib.Graph({ compound: true });
  graph.setGraph({ ranksep: isLarge ? 26 : 34, nodesep: 34, edgesep: 14, marginx: 20, marginy: 20 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const box of boxes) graph.setNode(box.number, box.open ? {} : sizeOf(box));
  for (const box of boxes) if (box.parent >= 0) graph.setParent(box.number, box.parent);
  for (const [from, to] of edges) if (from !== to) graph.setEdge(from, to);
  dagre.layout(graph);
  makeRoom(graph, boxes);
  return {
    width: Math.ceil(graph.graph().width),
    height: Math.ceil(graph.graph().height),
    places: new Map(boxes.map((box) => [box.number, graph.node(box.number)])),
    paths: graph.edges().map((edge) => ({ from: edge.v, to: edge.w, d: pathOf(graph.edge(edge).points) })),
  };
};

// Moves down what is below the upper edge of an open module, for its title
const makeRoom = (graph, boxes) => {
  const frames = boxes.filter((box) => box.open).map((box) => graph.node(box.number));
  const edges = [...new Set(frames.map(({ y, height }) => Math.round(y - height / 2)))].sort((a, b) => a - b);
  const down = (y) => y + TITLE * edges.filter((edge) => edge < y - 1).length;
  for (const edge of graph.edges()) {
    const points = graph.edge(edge).points;
    const ends = [graph.node(edge.v), graph.node(edge.w)].map(({ y }) => down(y) - y);
    points.forEach((point, i) => {
      point.y = i === 0 ? point.y + ends[0] : i === points.length - 1 ? point.y + ends[1] : down(point.y);
    });
  }
  for (const node of boxes.map((box) => graph.node(box.number))) {
    const [top, bottom] = [down(node.y - node.height / 2), down(node.y + node.height / 2)];
    if (frames.includes(node)) Object.assign(node, { y: (top + bottom) / 2, height: bottom - top });
    else node.y = down(node.y);
  }
  graph.graph().height = down(graph.graph().height);
};

// A path through dagre's points, its corners rounded, with an arrow at its end
const pathOf = (points) => {
  const end = points.at(-1);
  let path = `M${points[0].x} ${points[0].y}`;
  for (let i = 1; i < points.length - 1; i++) {
    const last = i === points.length - 2;
    const [x, y] = last ? [end.x, end.y] : [(points[i].x + points[i + 1].x) / 2, (points[i].y + points[i + 1].y) / 2];
    path += `Q${points[i].x} ${points[i].y} ${x} ${y}`;
  }
  const before = points.at(-2);
  const angle = Math.atan2(end.y - before.y, end.x - before.x);
  const wing = (turn) => `${end.x - 7 * Math.cos(angle + turn)} ${end.y - 7 * Math.sin(angle + turn)}`;
  return `${path}M${wing(0.5)}L${end.x} ${end.y}L${wing(-0.5)}`;
};
