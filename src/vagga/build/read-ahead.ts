import type { Dispatcher } from 'undici';

/** How far a download may be ahead of whoever reads it. */
const mostBytesAhead = 256 * 1024 ** 2;

/**
 * A dispatcher whose responses are read on while their reader is behind, up to a bound. undici before 8 ends the whole
 * process where a server closes the connection while a response is held back (nodejs/undici issue 5360), and 8 needs
 * Node 22. Servers of HTTP/1.0, as Python's, always close.
 */
export function readingAhead(dispatcher: Dispatcher): Dispatcher {
  return dispatcher.compose((dispatch) => (options, handler) => {
    let ahead = 0;
    let isBehind = false;
    const lenient = (controller: Dispatcher.DispatchController): Dispatcher.DispatchController =>
      new Proxy(controller, {
        get(target, key) {
          if (key === 'pause') {
            return () => {
              isBehind = true;
            };
          }
          if (key === 'resume') {
            return () => {
              isBehind = false;
              ahead = 0;
              target.resume();
            };
          }
          const value: unknown = Reflect.get(target, key, target);
          return typeof value === 'function' ? value.bind(target) : value;
        },
      });
    return dispatch(options, {
      onRequestStart: (controller, context) => handler.onRequestStart?.(lenient(controller), context),
      onRequestUpgrade: (controller, ...rest) => handler.onRequestUpgrade?.(lenient(controller), ...rest),
      onResponseStart: (controller, ...rest) => handler.onResponseStart?.(lenient(controller), ...rest),
      onResponseData(controller, chunk) {
        ahead += chunk.length;
        handler.onResponseData?.(lenient(controller), chunk);
        if (isBehind && ahead >= mostBytesAhead) controller.pause();
      },
      onResponseEnd: (controller, trailers) => handler.onResponseEnd?.(lenient(controller), trailers),
      // Without a connection there is no controller either, whatever the types say.
      onResponseError: (controller, error) => handler.onResponseError?.(controller, error),
    });
  });
}
