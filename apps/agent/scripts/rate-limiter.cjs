// What of rate-limiter-flexible the bundle carries.
module.exports = {
  RateLimiterMemory: require('rate-limiter-flexible/lib/RateLimiterMemory.js'),
  RateLimiterRes: require('rate-limiter-flexible/lib/RateLimiterRes.js'),
}
