const { createServer } = require('node:http');
const { openVisits } = require('./visits.js');

const port = Number(process.env.PORT);

openVisits(process.env.REDIS_URL).then((visits) => {
  createServer(async (request, response) => {
    response.end(`${await visits.add(request.url)} visits of ${request.url}\n`);
  }).listen(port, () => console.log(`http://localhost:${port}`));
});
