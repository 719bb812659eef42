import t from 'tap';
import { AppError } from '../../../server/errors.js';
import { MAX_DIGITS, parseJson } from '../../../server/http/aplite/json.js';

t.test('reads what JSON.parse reads', async (t) => {
  const texts = [
    '{}',
    '[]',
    ' { "a" : [ 1 , -2.5e3 , true , false , null , "x" ] , "b" : { "c" : { } } } \n',
    '"\\u00e9\\n\\"\\\\"',
    '"a\\\\"',
    '"\\\\\\""',
    '0',
    '-0',
    '1e2',
    '9007199254740991',
    '"日本"',
    '{"a":1,"a":2}',
    '[[[[[]]]]]',
    '{"constructor":{"x":1}}',
  ];
  for (const text of texts)
    t.same(parseJson(text, 'It'), JSON.parse(text), JSON.stringify(text).slice(0, 20));
});

t.test('keeps whole numbers of any size', async (t) => {
  const big = '123456789012345678901234567890';
  t.same(parseJson(`{"a":${big},"b":[-${big}],"c":"${big}"}`, 'It'), {
    a: BigInt(big),
    b: [-BigInt(big)],
    c: big,
  });
  t.equal(parseJson('9007199254740993', 'It'), 9007199254740993n);
  t.equal(parseJson('9007199254740993', 'It', { exact: false }), 9007199254740992);
  t.equal(parseJson('12345678901234567890.5', 'It'), 12345678901234567000);
  t.equal(parseJson('1'.repeat(MAX_DIGITS), 'It'), BigInt('1'.repeat(MAX_DIGITS)));
  t.throws(() => parseJson('1'.repeat(MAX_DIGITS + 1), 'It'), {
    code: 'invalid_json',
    message: /4096 digits/,
  });
});

t.test('says where a text is wrong', async (t) => {
  const wrong: [text: string, position: number, message: RegExp][] = [
    ['', 0, /the text ends, but a value belongs there/],
    ['{', 1, /the text ends, but a name in double quotes belongs there/],
    ['{a:1}', 1, /a name in double quotes/],
    ["{'a':1}", 1, /a name in double quotes/],
    ['{"a" 1}', 5, /a colon/],
    ['{"a":}', 5, /a value/],
    ['{"a":1', 6, /',' or '}'/],
    ['{"a":1,}', 7, /a name in double quotes/],
    ['[1,]', 3, /a value/],
    ['[1 2]', 3, /',' or '\]'/],
    ['01', 1, /nothing more/],
    ['-', 0, /a value/],
    ['.5', 0, /a value/],
    ['tru', 0, /a value/],
    ['truex', 0, /a value/],
    ['NaN', 0, /a value/],
    ['{} {}', 3, /nothing more/],
    ['"abc', 0, /has no end/],
    ['"a\\"', 0, /has no end/],
    ['"a\nb"', 0, /line break/],
    ['"\\x"', 0, /unknown escape/],
    ['{"__proto__":1}', 1, /refused/],
    ['[\n  1,\n  x]', 9, /line 3, column 3/],
    ['['.repeat(300), 201, /levels/],
  ];
  for (const [text, position, message] of wrong) {
    try {
      parseJson(text, 'The text');
      t.fail(`was taken: ${text}`);
    } catch (error) {
      t.type(error, AppError);
      const { code, message: said } = error as AppError;
      t.equal(code, 'invalid_json', text);
      t.match(said, new RegExp(`^The text is not JSON: at position ${position} `), text);
      t.match(said, message, text);
    }
  }
});

t.test('agrees with JSON.parse on mutations of a document', async (t) => {
  const text = '{"a":[1,-2.5e3,true,null,"x\\u0041\\n"],"b":{"c":""},"d":12}';
  const signs = '{}[]:,"\\ \n0-.eEtx';
  let wrong = 0;
  for (let at = 0; at <= text.length; at++)
    for (const sign of ['', ...signs]) {
      const mutated = text.slice(0, at) + sign + text.slice(sign === '' ? at + 1 : at);
      let wanted: unknown = 'refused';
      let got: unknown = 'refused';
      try {
        wanted = JSON.parse(mutated);
      } catch {
        // stays refused
      }
      try {
        got = parseJson(mutated, 'It', { exact: false });
      } catch {
        // stays refused
      }
      if (JSON.stringify(wanted) !== JSON.stringify(got)) {
        wrong++;
        t.comment(mutated);
      }
    }
  t.equal(wrong, 0);
});
