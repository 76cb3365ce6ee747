// SPDX-License-Identifier: BSD-2-Clause
/*
 * true: succeeds.
 */
int main(void)
{
    return 0;
}
