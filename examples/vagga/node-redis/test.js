const assert = require('node:assert');
const { after, before, test } = require('node:test');
const { openVisits } = require('./visits.js');

let visits;
before(async () => {
  visits = await openVisits(process.env.REDIS_URL);
});
after(() => visits.close());

test('each page counts for itself', async () => {
  assert.strictEqual(await visits.add('/a'), 1);
  assert.strictEqual(await visits.add('/a'), 2);
  assert.strictEqual(await visits.add('/b'), 1);
});
