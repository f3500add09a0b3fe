const { createClient } = require('redis');

/** A counter that outlives the process. */
exports.openVisits = async (url) => {
  const client = createClient({ url });
  client.on('error', () => {}); // it tries again by itself
  await client.connect();
  return {
    add: (page) => client.incr(`visits:${page}`),
    close: () => client.quit(),
  };
};
