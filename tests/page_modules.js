// Reads the page's modules with the parser that Node.js brings along, for tests/test_page_modules.py.
// node --expose-internals page_modules.js FOLDER FILE…: prints, for each file, its imports, its exports and what is wrong with its names.
"use strict";
const fs = require("fs");
const path = require("path");
const vm = require("vm");
const { parse } = require("internal/deps/acorn/acorn/dist/acorn");

const LANGUAGE = new Set([...vm.runInNewContext("Object.getOwnPropertyNames(globalThis)"), "arguments"]);

const isNode = (value) => value !== null && typeof value === "object" && typeof value.type === "string";
const childrenOf = (node) => Object.values(node).flat().filter(isNode);

/** The names that a pattern declares, and the expressions in it: defaults and computed keys. */
function read(pattern, names, expressions) {
  if (!pattern) return;
  if (pattern.type === "Identifier") names.push(pattern.name);
  else if (pattern.type === "ArrayPattern") pattern.elements.forEach((part) => read(part, names, expressions));
  else if (pattern.type === "RestElement") read(pattern.argument, names, expressions);
  else if (pattern.type === "AssignmentPattern") {
    read(pattern.left, names, expressions);
    expressions.push(pattern.right);
  } else {
    for (const part of pattern.properties) {
      if (part.computed) expressions.push(part.key);
      read(part.type === "RestElement" ? part : part.value, names, expressions);
    }
  }
}

/** The names that statements declare for the block that they stand in. */
function declaredBy(statements) {
  const names = [];
  for (const statement of statements) {
    const node = statement.type === "ExportNamedDeclaration" && statement.declaration ? statement.declaration : statement;
    if (node.type === "VariableDeclaration") node.declarations.forEach(({ id }) => read(id, names, []));
    else if (node.type === "FunctionDeclaration" || node.type === "ClassDeclaration") names.push(node.id.name);
    else if (node.type === "ImportDeclaration") names.push(...node.specifiers.map(({ local }) => local.name));
  }
  return names;
}

function analysed(text) {
  const program = parse(text, { ecmaVersion: "latest", sourceType: "module" });
  const imports = {};
  for (const { source, specifiers } of program.body.filter(({ type }) => type === "ImportDeclaration")) {
    imports[source.value] = [...(imports[source.value] ?? []), ...specifiers.map(({ local }) => local.name)];
  }
  const exported = program.body.filter(({ type }) => type === "ExportNamedDeclaration").flatMap((node) => declaredBy([node]));
  const imported = new Set(Object.values(imports).flat());
  const module = new Set(declaredBy(program.body));
  const used = new Set();
  const free = new Set();
  const shadowed = new Set();

  function scope(names, outer) {
    for (const name of names) if (imported.has(name)) shadowed.add(name);
    return { names: new Set(names), outer };
  }

  function refer(name, inner) {
    for (let at = inner; at; at = at.outer) if (at.names.has(name)) return at.names === module ? used.add(name) : undefined;
    return LANGUAGE.has(name) ? undefined : free.add(name);
  }

  function visit(node, inner) {
    const all = (nodes, within) => nodes.forEach((child) => visit(child, within));
    if (node.type === "Identifier") refer(node.name, inner);
    else if (node.type === "ImportDeclaration") return;
    else if (node.type === "MemberExpression") all(node.computed ? [node.object, node.property] : [node.object], inner);
    else if (["Property", "MethodDefinition", "PropertyDefinition"].includes(node.type)) {
      all([node.computed ? node.key : null, node.value].filter(isNode), inner);
    } else if (node.type === "VariableDeclarator") {
      const expressions = [];
      read(node.id, [], expressions);
      all([...expressions, node.init].filter(isNode), inner);
    } else if (/Function/.test(node.type)) {
      const [names, expressions] = [node.type === "FunctionExpression" && node.id ? [node.id.name] : [], []];
      node.params.forEach((parameter) => read(parameter, names, expressions));
      const within = scope(names, inner);
      all([...expressions, node.body], within);
    } else if (node.type === "CatchClause") {
      const names = [];
      read(node.param, names, []);
      visit(node.body, scope(names, inner));
    } else if (node.type === "BlockStatement") all(node.body, scope(declaredBy(node.body), inner));
    else if (/^For/.test(node.type)) all(childrenOf(node), scope(declaredBy([node.init ?? node.left].filter(isNode)), inner));
    else if (node.type === "SwitchStatement") {
      visit(node.discriminant, inner);
      all(node.cases, scope(declaredBy(node.cases.flatMap(({ consequent }) => consequent)), inner));
    } else if (["LabeledStatement", "BreakStatement", "ContinueStatement"].includes(node.type)) all([node.body].filter(isNode), inner);
    else all(childrenOf(node), inner);
  }

  const outermost = { names: module, outer: null };
  program.body.forEach((statement) => visit(statement, outermost));
  const unused = [...module].filter((name) => !used.has(name) && !exported.includes(name));
  return { imports, exports: exported, free: [...free], unused, shadowed: [...shadowed] };
}

const [folder, ...files] = process.argv.slice(2);
const texts = files.map((file) => [file, fs.readFileSync(path.join(folder, file), "utf-8")]);
process.stdout.write(JSON.stringify(Object.fromEntries(texts.map(([file, text]) => [file, analysed(text)]))));
