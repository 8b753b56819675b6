/** Where Windows itself lies. It tells every process. */
export const systemRoot = process.env['SystemRoot'] ?? 'C:\\Windows'
