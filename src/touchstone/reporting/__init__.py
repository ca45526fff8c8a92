"""Write down what was measured: result object, HTML, Markdown, JUnit."""
